-- Whether a booking's driver has a browser that can be told by push: a delivery for nobody is not written.
CREATE FUNCTION has_browser(booking_id BIGINT) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM booking AS b JOIN push_subscription AS p ON p.driver_id = b.driver_id
                    WHERE b.id = has_browser.booking_id AND p.gone_at IS NULL)
$$;
