"""How well the same backbone learns the same photographs, by `fit`, by timm's train script and by fastai."""
