"""Tests of the engines that need torch, ultralytics, transformers or PaddleOCR: `make test-gpu`."""
