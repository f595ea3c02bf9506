"""What commands show and take: the screen, sheets, and the options that they share."""
