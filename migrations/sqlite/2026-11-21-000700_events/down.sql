DROP TABLE event_positions;
DROP TABLE events;
DROP TABLE outbox;
