"""How the deployment is: heartbeats, probes, health, metrics, logs."""
