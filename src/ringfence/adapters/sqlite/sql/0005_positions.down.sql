-- Takes 0005_positions.up.sql back.
DROP TABLE source_position;
