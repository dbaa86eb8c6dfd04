"""Keep doing it: accounts watched and deleveraged by rule, on a schedule, through the one path that commands walk."""
