"""What the domains of Atlassian's products share: accounts, sign-in, refusals, requests. Has no actions of its own."""
