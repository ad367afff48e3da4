ALTER TABLE delivery DROP CONSTRAINT delivery_channel_check, ADD CONSTRAINT delivery_channel_check CHECK (channel IN ('email', 'sms', 'whatsapp', 'voice'));
