-- Few of all receipts: who stopped, bounced for good or was put back. What is told late is compared with them.
CREATE INDEX receipt_wish_idx ON receipt (channel, address) WHERE suppress OR status = 'start';
