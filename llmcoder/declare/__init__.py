"""What a domain may declare: a file for each kind of declaration, each checked when it is made."""
