DROP TRIGGER search_changed;
DROP TABLE search_words;
DROP TABLE search_documents;
DROP TABLE search_changes;
DROP TABLE search_positions;
