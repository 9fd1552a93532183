DROP TABLE check_backs;
DROP TABLE prepared;
