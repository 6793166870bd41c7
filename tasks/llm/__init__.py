"""Language models: OpenAI or any server that speaks its API, and Ollama; offered to every other domain."""
