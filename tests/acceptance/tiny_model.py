"""Makes a tiny random language model with its own tokenizer, without any download: `tiny_model.py FOLDER`.

Runs with a Python that has torch and transformers. The model says nonsense; what is tested is the road to it and back.
"""

from __future__ import annotations

import sys
from pydoc_data import topics

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"]
TEXTS = list(topics.topics.values())  # English that every Python carries, so that a token is a word and not a letter
CONTEXT_TOKENS = 16_384
CHAT = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}<|assistant|>"


def main(folder: str) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=6000, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=CONTEXT_TOKENS,
    )
    fast.chat_template = CHAT
    torch.manual_seed(0)
    size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    tokens = {"vocab_size": len(fast), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = LlamaConfig(
        **size, **tokens, num_key_value_heads=2, max_position_embeddings=CONTEXT_TOKENS, tie_word_embeddings=True
    )
    model = LlamaForCausalLM(config)
    # random weights like special tokens and lone bytes as much as any; text is wanted, of any kind
    model.generation_config.suppress_tokens = list(range(len(SPECIAL) + len(alphabet)))
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
