"""Likelihoods that papers report, quoted from memory."""

FRAMES = {
    "JSB_Chorales": {
        "88 sigmoids": 8.1,
        "RNN-RBM, 2012": 6.27,
        "RNN-NADE, 2012": 5.56,
        "BALSTM, 2017": 5.0,
        "SRNN, 2016 (bound)": 4.74,
        "NASMC, 2015 (estimate)": 3.99,
        "DBN-LSTM, 2015 (estimate)": 3.47,
    },
    "Piano_midi": {
        "88 sigmoids": 8.8,
        "SRNN, 2016 (bound)": 8.20,
        "NASMC, 2015 (estimate)": 7.61,
        "RNN-RBM, RNN-NADE, 2012": 7.07,
        "BALSTM, 2017": 4.9,
        "DBN-LSTM, 2015 (estimate)": 4.63,
    },
    "Nottingham": {
        "88 sigmoids": 3.1,
        "SRNN, 2016 (bound)": 2.94,
        "NASMC, 2015 (estimate)": 2.72,
        "RNN-RBM, RNN-NADE, 2012": 2.35,
        "BALSTM, 2017": 1.6,
        "DBN-LSTM, 2015 (estimate)": 1.32,
    },
    "MuseData": {
        "NASMC, 2015 (estimate)": 6.89,
        "SRNN, 2016 (bound)": 6.28,
        "88 sigmoids, RNN-RBM, 2012": 6.0,
        "RNN-NADE, 2012": 5.60,
        "BALSTM, DBN-LSTM (estimate)": 3.9,
    },
}
"""Nats a frame of the test songs; two that lie on each other share a line."""

ESTIMATE = "DBN-LSTM, 2015 (estimate)"
ESTIMATES = {"JSB_Chorales": 3.47, "Piano_midi": 4.63, "Nottingham": 1.32, "MuseData": 3.91}
"""The lowest figures of a frame; they are estimated from samples."""

TOKENS = {
    "Coconet, chronological, 2017": 0.436,
    "transformer, 2018": 0.417,
    "Music Transformer, 2018": 0.335,
}
"""Nats a token of the validation songs, for chorales of four parts in sixteenths."""
