"""Mail: read, draft, send, sort; Gmail, or any server with IMAP and SMTP."""
