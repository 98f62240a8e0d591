"""A control plane of our own for Modal apps: gRPC and HTTP on loopback, containers as local processes.

An unmodified app is deployed and run on it with Modal's own command, client and container
entrypoint, so that a test sees what the service would: what was uploaded, what was committed,
what was reloaded, and what happens when a container dies.

    python -m tests.modal_plane --port 9900 --state DIR

`fixture.Plane` is the same for tests. How it differs from the real service is in `settings`.
"""
