"""What a campaign is before anybody runs it, and what is to be remembered of it: pure data and its transitions."""
