-- Drivers who came by a page were named by their address, and the operator's app was told that name.
UPDATE driver SET subject = 'page-' || replace(gen_random_uuid()::text, '-', '')
 WHERE subject ~ '^email:[^@]+@' OR subject ~ '^phone:[+][0-9]+';

-- One session for each code.
ALTER TABLE sign_in_code ADD COLUMN spent_at TIMESTAMP WITH TIME ZONE;

-- Signing somebody out everywhere.
CREATE INDEX session_driver_idx ON session (driver_id) WHERE driver_id IS NOT NULL;

CREATE INDEX session_staff_idx ON session (staff_id) WHERE staff_id IS NOT NULL;
