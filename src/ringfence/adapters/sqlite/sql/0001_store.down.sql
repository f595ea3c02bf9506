-- Takes 0001_store.up.sql back.
DROP TABLE version;
DROP TABLE schedule;
DROP TABLE quarantine;
DROP TABLE meta;
DROP TABLE reader;
DROP TABLE batch;
DROP TABLE topic;
