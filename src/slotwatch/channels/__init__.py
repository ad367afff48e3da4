"""The ways to reach a person: one file for each provider, all with the same contract (`channel.py`)."""

from slotwatch.channels.channel import Accepted, Channel, ChannelName, Failed, Message, Outcome, Refused
from slotwatch.channels.inbox import InboxChannel, InboxMessage
from slotwatch.channels.smtp import SmtpChannel, SmtpSettings
from slotwatch.channels.twilio import TwilioSettings, TwilioSms

__all__ = [
    "Accepted",
    "Channel",
    "ChannelName",
    "Failed",
    "InboxChannel",
    "InboxMessage",
    "Message",
    "Outcome",
    "Refused",
    "SmtpChannel",
    "SmtpSettings",
    "TwilioSettings",
    "TwilioSms",
]
