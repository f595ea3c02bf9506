"""What carries requests: sockets, connections, bodies, and who is believed of where they come from."""
