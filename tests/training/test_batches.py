from __future__ import annotations

from textxfer.training.batches import collate, step_blocks


def test_an_epoch_holds_every_block_once_and_the_next_one_another_order():
    first = [i for step in range(4) for i in step_blocks(12, 3, seed=1, step=step)]
    second = [i for step in range(4, 8) for i in step_blocks(12, 3, seed=1, step=step)]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_steps_run_over_the_border_of_epochs():
    both = [i for step in range(10) for i in step_blocks(4, 2, seed=0, step=step)]
    assert all(sorted(both[at : at + 4]) == [0, 1, 2, 3] for at in range(0, 20, 4))
    assert len(step_blocks(3, 8, seed=0, step=0)) == 8


def test_a_step_is_a_function_of_the_seed_alone():
    assert step_blocks(50, 7, seed=3, step=9) == step_blocks(50, 7, seed=3, step=9)
    assert step_blocks(50, 7, seed=3, step=9) != step_blocks(50, 7, seed=4, step=9)


def test_rows_are_padded_with_a_document_of_their_own():
    rows = [
        {"input_ids": [5, 6, 7, 8], "documents": [2, 2], "scored": [1, 2, 3, 4], "scored_bytes": 9},
        {"input_ids": [9, 10], "documents": [2], "scored": [1, 2], "scored_bytes": 4},
    ]
    batch = collate(rows, pad=0)
    assert batch.input_ids.tolist() == [[5, 6, 7, 8], [9, 10, 0, 0]]
    assert batch.labels.tolist() == [[-100, 6, -100, 8], [-100, 10, -100, -100]]
    assert batch.position_ids.tolist() == [[0, 1, 0, 1], [0, 1, 0, 1]]
    assert batch.documents == ((2, 2), (2, 2))
    assert (batch.scored, batch.scored_bytes) == (3, 13)
