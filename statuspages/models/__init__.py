"""The tables of this room: pages, what they show, who follows them, and what is served."""

from statuspages.models.components import Component, ComponentGroup, ComponentMonitor, ComponentSpan
from statuspages.models.pages import Asset, PageSnapshot, StatusPage
from statuspages.models.posts import Post, PostComponent, PostNotice, PostTemplate, PostUpdate
from statuspages.models.subscribers import AskingNetwork, Subscriber, SubscriberMessage

__all__ = [
    "AskingNetwork",
    "Asset",
    "Component",
    "ComponentGroup",
    "ComponentMonitor",
    "ComponentSpan",
    "PageSnapshot",
    "Post",
    "PostComponent",
    "PostNotice",
    "PostTemplate",
    "PostUpdate",
    "StatusPage",
    "Subscriber",
    "SubscriberMessage",
]
