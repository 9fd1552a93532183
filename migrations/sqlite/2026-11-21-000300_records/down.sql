DROP INDEX audit_by_subject;
DROP TABLE leases;
DROP TABLE erasures;
DROP TABLE expired;
DROP INDEX files_by_owner;
DROP INDEX files_removed;
ALTER TABLE files DROP COLUMN removed_at;
DROP TABLE file_uses;
