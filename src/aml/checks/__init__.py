"""Finding what azure-ai-ml or the service would refuse, and what azure-ai-ml accepts in silence.

`repository.check` asks all of it. Each check takes a file that was read, or a folder, and yields findings; none prints,
asks a network, or changes anything.
"""
