"""The exams of ports: a class of tests each, which an adapter's tests inherit from."""
