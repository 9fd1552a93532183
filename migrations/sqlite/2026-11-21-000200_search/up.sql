-- How far each conversation with a shop is indexed for search: what is above has been said since, and waits for it.
CREATE TABLE search_positions (
    conversation_id BIGINT PRIMARY KEY NOT NULL,
    seq             BIGINT NOT NULL
) WITHOUT ROWID;

-- Messages that have been changed since they were indexed: edited, recalled, deleted, erased. Whoever changes one leaves a note here, in
-- the same transaction; the indexer takes it away in the transaction that indexes.
CREATE TABLE search_changes (
    id              INTEGER PRIMARY KEY NOT NULL,
    conversation_id BIGINT NOT NULL,
    seq             BIGINT NOT NULL
);
CREATE TRIGGER search_changed AFTER UPDATE OF content ON messages BEGIN
    INSERT INTO search_changes (conversation_id, seq) VALUES (NEW.conversation_id, NEW.seq);
END;

-- Which messages are indexed. The later a message, the larger its id.
CREATE TABLE search_documents (
    id              INTEGER PRIMARY KEY NOT NULL,
    conversation_id BIGINT NOT NULL,
    seq             BIGINT NOT NULL
);
CREATE UNIQUE INDEX search_documents_by_message ON search_documents (conversation_id, seq);

-- Their words, by the same id; the words alone, not the texts. They come folded, and cut by spaces.
CREATE VIRTUAL TABLE search_words USING fts5 (words, content = '', contentless_delete = 1, tokenize = 'ascii');
