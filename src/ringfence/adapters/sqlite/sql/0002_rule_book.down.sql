-- Takes 0002_rule_book.up.sql back.
DROP TABLE rule_change;
