"""The demo: a few workspaces, two months of their calls and usage, and the way they get in.

personas  who they are, when they call, what becomes of their invoice
months    which days of last month and this one are to be filled
calls     a day's calls with their usage, the same for the same seed
senders   where calls and usage go in: over HTTP, or in this process
accounts  workspaces, people, agents, cards
logins    the password and the key that the demo prints, kept below `LOCAL_DIR`
load      all of it, in order
"""
