"""What the WebSocket doors cost, beside a bare echo server and Pipecat on the same work."""
