"""Stage autoencoder: trains what turns sound into 512 numbers a frame and back."""

from ostinato.core import files
from ostinato.core.models import weights_of, write_model
from ostinato.core.stage import stage
from ostinato.core.training import write_curves
from ostinato.sound.data.sound import Sounds
from ostinato.sound.fit.autoencoder import AUDIO, fit_autoencoder

with stage("models/autoencoder", "results/autoencoder") as (params, [out, results]):
    model, config, history = fit_autoencoder(params, Sounds(AUDIO))
    write_model(out, model, config)
    best = write_curves(results, history)
    files.write_json(results / "training.json", {"weights": weights_of(model), **best})
