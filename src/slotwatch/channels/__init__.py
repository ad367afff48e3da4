"""The ways to reach a person: one file for each provider, all with the same contract (`channel.py`)."""

from slotwatch.channels.chain import Chain
from slotwatch.channels.channel import Accepted, Channel, ChannelName, Failed, Message, Outcome, Refused
from slotwatch.channels.guarded import Guarded, GuardSettings
from slotwatch.channels.inbox import InboxChannel, InboxMessage
from slotwatch.channels.push import PushChannel, PushSettings
from slotwatch.channels.smtp import SmtpChannel, SmtpSettings
from slotwatch.channels.twilio import TwilioSettings, TwilioSms
from slotwatch.channels.voice import VoiceChannel, VoiceSettings
from slotwatch.channels.webhook import WebhookChannel, WebhookSettings
from slotwatch.channels.whatsapp import WhatsAppChannel, WhatsAppSettings

__all__ = [
    "Accepted",
    "Chain",
    "Channel",
    "ChannelName",
    "Failed",
    "GuardSettings",
    "Guarded",
    "InboxChannel",
    "InboxMessage",
    "Message",
    "Outcome",
    "PushChannel",
    "PushSettings",
    "Refused",
    "SmtpChannel",
    "SmtpSettings",
    "TwilioSettings",
    "TwilioSms",
    "VoiceChannel",
    "VoiceSettings",
    "WebhookChannel",
    "WebhookSettings",
    "WhatsAppChannel",
    "WhatsAppSettings",
]
