"""The five stages of work, a module each: data -> reference, data -> model -> prediction, all -> scores.

The function ``run`` of each works in a child process. It reads only the files it is handed, writes into the job's
``out`` and returns what it measured. Those that run a method are handed observations only; the truth is opened by
`reference` and `scores`, which run no method, and by `model` where the method declares that it learns from clean.
A stage imports no other, so that an edit of one makes nothing of the others stale.
"""
