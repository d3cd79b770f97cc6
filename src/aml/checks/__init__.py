"""Finding what azure-ai-ml or the service would refuse, and what azure-ai-ml accepts in silence.

First the shapes of the files, then rules across their parts. A finding is `file:line: what is wrong: how to fix it`.
"""
