"""Google's generateContent: Gemini's API, and Vertex AI."""
