"""Configurations of small autoencoders and score creators."""

AUTOENCODERS = "ostinato.sound.autoencoders"
SCORE_CREATORS = "ostinato.sound.score_creators"

AUTOENCODER_CONFIGS = {
    "dense": {"name": "dense"},
    "conv": {
        "name": "conv",
        "content": 64,
        "width": 16,
        "softness": 0.25,
        "spectral_weight": 0.3,
        "spectral_windows": [512, 2048, 8192],
        "likelihood_weight": 0.5,
        "noise_margin": 2.0,
        "noise_level": 0.5,
        "phase_iterations": 60,
    },
}

FLOW = {"near": 5, "flow": 32, "blocks": 3, "flow_steps": 6, "jitter": 0.2, "dropout": 0.1}
SCORE_CREATOR_CONFIGS = {
    "conv1d": {"name": "conv1d", "channels": 8, **FLOW},
    "lstm": {"name": "lstm", "hidden": 16, **FLOW},
}

PLAYER = {"name": "player", "width": 16, "hidden": 32}
