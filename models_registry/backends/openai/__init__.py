"""OpenAI's dialect, which every compatible server speaks."""
