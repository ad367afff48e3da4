-- Few of all receipts: who stopped, bounced for good or was put back. What is told late is compared with them.
CREATE INDEX receipt_wish_idx ON receipt (channel, address) WHERE suppress OR status = 'start';

-- A report that fits nothing yet may be another house's, whose numbers ours would reach one day: it waits for its message only.
UPDATE receipt SET notice_id = NULL WHERE NOT matched AND notice_id IS NOT NULL;
