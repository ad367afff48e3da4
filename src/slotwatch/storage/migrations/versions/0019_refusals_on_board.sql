-- A refused check-in leaves the booking as it is, and is told all the same: staff may have its story open. One that counts
-- moves the booking, which tells by itself; so the trigger costs it no more than a look at the row's kind.
ALTER FUNCTION tell_board_of_dispute() RENAME TO tell_board_of_one_booking;

CREATE TRIGGER refusal_tells_board AFTER INSERT ON evidence
    FOR EACH ROW WHEN (NEW.kind = 'check_in_refused') EXECUTE FUNCTION tell_board_of_one_booking();
