DROP TABLE replies;
ALTER TABLE agents DROP COLUMN disabled;
ALTER TABLE users DROP COLUMN must_change_password;
ALTER TABLE shops DROP COLUMN retention_files;
ALTER TABLE shops DROP COLUMN retention_messages;
ALTER TABLE shops DROP COLUMN disabled;
ALTER TABLE shops DROP COLUMN hours;
ALTER TABLE shops DROP COLUMN time_zone;
