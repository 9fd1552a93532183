DROP INDEX users_revoked;
DROP TABLE agent_sessions;
DROP TABLE nodes;
DROP INDEX conversations_changed;
ALTER TABLE conversations DROP COLUMN revision;
