-- What the driver's own wish kept back counts as told; what failed on our side does not. No default, no check: nothing
-- is read or written of a table that may be large.
ALTER TABLE delivery ADD COLUMN kept_back TEXT;
