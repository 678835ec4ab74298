#pragma once
// There is no network yet.
