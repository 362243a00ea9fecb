-- Until when a lane asks that the next room of a key be left to it: endless from when it finds the key full, bounded from when
-- there is room, 0 if it does not ask. Below 0: the lane found room and leaves it to one that asks. Who does not know the column
-- never asks.
ALTER TABLE queue_closed ADD COLUMN asks_until bigint NOT NULL DEFAULT 0;
