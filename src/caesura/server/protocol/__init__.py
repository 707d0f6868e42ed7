"""The thread event protocol (v3): one numbered stream of events a thread, and commands beside it.

``translation`` makes the events of a run from the frames of its stream, and nothing else. ``journal``
stores them once, with the frames they come from, so that numbers and ids are the same for every reader,
after every restart. ``selection`` says what a client has asked for; ``commands`` does what it sends;
``session`` serves one WebSocket.
"""
