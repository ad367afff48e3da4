ALTER TABLE sign_in_code ADD COLUMN caller TEXT;

CREATE INDEX sign_in_code_caller_idx ON sign_in_code (caller, created_at);
