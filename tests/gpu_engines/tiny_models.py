"""Models of a few hundred kilobytes, made here and saved as real ones are: folders that `from_pretrained` loads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    Dinov2Config,
    Dinov2Model,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
    SwinConfig,
)

from gpu_service import models
from gpu_service.pictures import Image
from gpu_service.routines.vlm import VlmSettings, question
from gpu_service.wire import VlmItem

VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
OWL_VISION = {**VISION, "image_size": 64}
CLIP_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VLM_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}"
    "{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} Answer:{% endif %}"
)


def _tokenizer(*special: str) -> PreTrainedTokenizerFast:
    """Bytes, and the words of the questions: short questions are quickly learnt. Other names take several tokens."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = [question(VlmItem(), settings) for settings in (VlmSettings(), VlmSettings(brands=("x",)))]
    trainer = BpeTrainer(
        vocab_size=400,
        show_progress=False,
        special_tokens=["<pad>", "<s>", "</s>", *special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(words * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=list(special),
        model_max_length=1024 if special else 77,
    )


def _train(model: Any, loss: Callable[[], Any], steps: int) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    model.eval()


def _picture_sizes(vision: Mapping[str, int]) -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": vision["image_size"]}, crop_size=vision["image_size"])


def make_clip(
    folder: Path,
    pairs: Sequence[tuple[Image, str]],
    steps: int = 80,
    vision: Mapping[str, int] = VISION,
    text: Mapping[str, int] = CLIP_TEXT,
) -> Path:
    """A CLIP that has learnt which text goes with which picture; of other sizes, for benchmarks, without steps."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 77, **TOKENS, **text}
    model = CLIPModel(CLIPConfig(text_config=words, vision_config=dict(vision), projection_dim=text["hidden_size"]))
    processor = CLIPProcessor(image_processor=_picture_sizes(vision), tokenizer=tokenizer)
    if steps:
        _teach_clip(model, processor, pairs, steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_siglip(
    folder: Path, pairs: Sequence[tuple[Image, str]], steps: int = 80, vision: Mapping[str, int] = VISION
) -> Path:
    """As `make_clip`."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 77, **TOKENS, **CLIP_TEXT}
    model = SiglipModel(
        SiglipConfig(text_config={**words, "projection_size": vision["hidden_size"]}, vision_config=dict(vision))
    )
    model.logit_scale.data.fill_(np.log(10))  # as a SigLIP starts to learn
    processor = SiglipProcessor(image_processor=_picture_sizes(vision), tokenizer=tokenizer)
    if steps:
        _teach_clip(model, processor, pairs, steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_dinov2(folder: Path, vision: Mapping[str, int] = VISION) -> Path:
    """A random DINOv2, in whose vectors equal pictures are equal."""
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(mlp_ratio=vision["intermediate_size"] // vision["hidden_size"], **vision)).save_pretrained(
        folder
    )
    _picture_sizes(vision).save_pretrained(folder)
    return folder


def make_owlv2(
    folder: Path,
    lessons: Sequence[tuple[Image, Sequence[str | None]]] = (),
    steps: int = 160,
    vision: Mapping[str, int] = OWL_VISION,
    text: Mapping[str, int] = CLIP_TEXT,
) -> Path:
    """An OWLv2 whose boxes are as it has them before it learns: as large as a patch, around its lower right corner.

    Args:
        lessons: square pictures, each with what every patch shows, row by row; None: nothing.
    """
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, **TOKENS, **text}
    config = Owlv2Config(text_config=words, vision_config=dict(vision), projection_dim=text["hidden_size"])
    model: Any = Owlv2ForObjectDetection(config)
    for values in (model.box_head.dense2.weight, model.box_head.dense2.bias, model.class_head.logit_scale.weight):
        values.data.zero_()
    model.class_head.logit_scale.bias.data.fill_(9)  # from 1 it learns where something is, but not what
    model.owlv2.text_model.embeddings.token_embedding.weight.data.normal_()
    side = {"height": vision["image_size"], "width": vision["image_size"]}
    processor = Owlv2Processor(Owlv2ImageProcessor(size=side), tokenizer)
    if lessons:
        _teach_owlv2(model, processor, lessons, steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _teach_owlv2(model: Any, processor: Any, lessons: Sequence[tuple[Image, Sequence[str | None]]], steps: int) -> None:
    texts = sorted({text for _, shown in lessons for text in shown if text})
    pixels = processor.image_processor([models.pil_picture(image) for image, _ in lessons], return_tensors="pt")
    inputs = processor.tokenizer(texts, padding="max_length", truncation=True, max_length=16, return_tensors="pt")
    wanted = torch.tensor([[[float(text == one) for text in texts] for one in shown] for _, shown in lessons])
    there = wanted.amax(dim=-1) > 0
    blame = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(10.0))  # most patches show nothing

    def loss() -> Any:
        grid, _ = model.image_embedder(pixels["pixel_values"])
        patches = grid.flatten(1, 2)
        words = model.owlv2.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
        logits, _ = model.class_predictor(patches, words.expand(len(lessons), -1, -1))
        objectness = model.objectness_predictor(patches)
        which = torch.nn.functional.cross_entropy(logits[there], wanted[there].argmax(dim=-1))
        return blame(logits, wanted) + blame(objectness, wanted.amax(dim=-1)) + 4 * which

    _train(model, loss, steps)


def make_grounding_dino(folder: Path, big: bool = False) -> Path:
    """A random Grounding DINO that knows the words disc, bars, logo, sky and skylorn, and reads 32 tokens at most; for
    benchmarks of the sizes of the smallest in earnest.
    """
    torch.manual_seed(0)
    vocabulary = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    vocabulary |= {"disc": 2000, "bars": 2001, "logo": 2002, "sky": 2003, "##lorn": 2004}
    tiny = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=2100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
        ),
        d_model=32, num_queries=30, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_text_len=32,
    )  # fmt: skip
    config = GroundingDinoConfig(max_text_len=32) if big else tiny
    size = {"shortest_edge": 800, "longest_edge": 1333} if big else {"shortest_edge": 96, "longest_edge": 192}
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), BertTokenizer(vocabulary)).save_pretrained(folder)
    return folder


def _teach_clip(model: Any, processor: Any, pairs: Sequence[tuple[Image, str]], steps: int) -> None:
    pictures = [models.pil_picture(image) for image, _ in pairs]
    texts = sorted({text for _, text in pairs})
    owners = torch.tensor([texts.index(text) for _, text in pairs])
    inputs = processor(text=texts, images=pictures, padding="max_length", return_tensors="pt")

    def loss() -> Any:
        return torch.nn.functional.cross_entropy(model(**inputs).logits_per_image, owners)

    _train(model, loss, steps)


def make_vlm(
    folder: Path,
    lessons: Sequence[tuple[Image, str]],
    settings: VlmSettings,
    steps: int = 90,
    vision: Mapping[str, int] = VISION,
    text: Mapping[str, int] = VLM_TEXT,
) -> Path:
    """A LLaVA that has learnt to answer the question of these settings by what the picture shows.

    Without steps it is random; of other sizes, for benchmarks, too.
    """
    torch.manual_seed(0)
    tokenizer = _tokenizer("<image>")
    config = LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "projection_dim": 32, **vision},
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 2048,
            **TOKENS,
            **text,
        },
        image_token_id=3,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    processor = LlavaProcessor(
        image_processor=_picture_sizes(vision),
        tokenizer=tokenizer,
        patch_size=vision["patch_size"],
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    if steps:
        asked = f"<image>{question(VlmItem(), settings)} Answer:"
        pictures = [[models.pil_picture(image)] for image, _ in lessons]
        answers = [f"{answer}</s>" for _, answer in lessons]
        tokenizer.padding_side = "right"
        inputs = processor(text=[asked + said for said in answers], images=pictures, padding=True, return_tensors="pt")
        labels = inputs["input_ids"].clone()
        start = processor(text=[asked], images=pictures[:1], return_tensors="pt")["input_ids"].shape[1]
        labels[:, :start] = -100
        labels[inputs["attention_mask"] == 0] = -100
        _train(model, lambda: model(**inputs, labels=labels).loss, steps)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_paddle_folders(folder: Path) -> tuple[Path, Path]:
    """PaddleOCR's folders of a detector and a recogniser, of the models that RapidOCR carries in its package."""
    import onnxruntime
    import rapidocr

    carried = Path(rapidocr.__file__).parent / "models"
    read = {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}}
    half = [0.5, 0.5, 0.5]
    normalise = {"NormalizeImage": {"mean": half, "std": half, "scale": "1./255.", "order": "hwc"}}
    steps: dict[str, list[dict[str, Any]]] = {
        "det": [read, {"DetResizeForTest": {"resize_long": 960}}, normalise, {"ToCHWImage": None}],
        "rec": [read, {"RecResizeImg": {"image_shape": [3, 48, 320]}}],
    }
    session = onnxruntime.InferenceSession(str(carried / "PP-OCRv6_rec_small.onnx"))
    characters = session.get_modelmeta().custom_metadata_map["character"].split("\n")
    after = {
        "det": {"name": "DBPostProcess", "thresh": 0.3, "box_thresh": 0.6, "unclip_ratio": 1.5},
        "rec": {"name": "CTCLabelDecode", "character_dict": characters},
    }
    for kind in ("det", "rec"):
        (folder / kind).mkdir(parents=True)
        shutil.copy(carried / f"PP-OCRv6_{kind}_small.onnx", folder / kind / "inference.onnx")
        description = {
            "Global": {"model_name": f"PP-OCRv6_small_{kind}"},
            "PreProcess": {"transform_ops": steps[kind]},
            "PostProcess": after[kind],
        }
        (folder / kind / "inference.yml").write_text(yaml.safe_dump(description, allow_unicode=True), encoding="utf-8")
    return folder / "det", folder / "rec"


def plain(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (48, 64)) -> Image:
    """One colour (BGR), a little noisy."""
    noise = np.random.default_rng(seed).normal(0, 8, (*size, 3))
    return np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)


def texture(seed: int, size: tuple[int, int] = (64, 64)) -> Image:
    """Blotches of all colours: a picture of nothing that has a name."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
