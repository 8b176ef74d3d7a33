-- Failures since the last success: unlike `count`, quiet minutes leave them (RL-01).
ALTER TABLE failures ADD COLUMN in_a_row INTEGER NOT NULL DEFAULT 0;
