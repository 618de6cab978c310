"""Text conversations: chats and e-mail threads, read into the same values as a recording's words."""

from __future__ import annotations

from qingting.chat.loading import CHAT_SUFFIXES, TEXT_ENGINE, Chat, is_chat, load_chat

__all__ = ["CHAT_SUFFIXES", "TEXT_ENGINE", "Chat", "is_chat", "load_chat"]
