-- Takes 0004_index.up.sql back.
UPDATE reader SET name = 'finder' WHERE name = 'index';
