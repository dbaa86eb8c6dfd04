"""Join: observe → risk → target → plan → simulate → execute → verify; the one path that every front walks."""
