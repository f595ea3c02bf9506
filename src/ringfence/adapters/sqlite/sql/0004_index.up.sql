-- The dashboard's index is called so everywhere.
UPDATE reader SET name = 'index' WHERE name = 'finder';
