"""What the tests of engine, outbox and use cases share: a crew to drive by hand, providers that do as told."""
