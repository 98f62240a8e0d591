"""The shop: what a job is, who may order one, what it costs, and who makes it.

Data flows one way: request → `orders` → store and dispatcher ‖ `runs` → worker → artifact → end of
job → result. Nothing here but `service.worker` knows `film`, so the web process stays light.
"""

__all__: list[str] = []
